"""What all reports share: how numbers, tables, figures and pages look."""
