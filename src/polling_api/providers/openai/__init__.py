"""The OpenAI Batch API over httpx: for the real provider and, with another address, for the simulator."""

from polling_api.providers.openai.batches import OpenAIBatches

__all__ = ["OpenAIBatches"]
