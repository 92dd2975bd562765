"""The report on benchmarks: leaderboards, studies, and what they were measured on."""
