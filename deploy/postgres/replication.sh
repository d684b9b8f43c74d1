# Lets replicas in, with the password of the service. The image reads this when it makes a new volume, and then alone.
echo "host replication all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
