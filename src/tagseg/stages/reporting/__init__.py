"""What a report is gathered from: the run, its figures, its images."""
