"""What can be asked of the labelling page: pages, labelling, disputes, scans."""
