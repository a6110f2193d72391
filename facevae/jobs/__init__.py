"""What long work on data needs: several processes, room on the disk, progress. Imports core."""
