"""What several folders of tests share: the whole service in processes, its event streams read, its jobs submitted."""
