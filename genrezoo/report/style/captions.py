"""Sentences shared by all pages."""

PROVENANCE = {
    "official": "official split: the one published with the data",
    "artist-filtered": "artist-filtered split: no artist is in two splits",
    "fault-filtered": "fault-filtered split: the published lists without faulty and repeated clips",
    "random": "random split: drawn without regard to artists",
    "repeated, by group": "newly drawn by group: no artist is in two splits",
    "repeated, stratified": "newly drawn at random, without regard to artists",
}
RANDOM_SPLIT = (
    "The split is random: songs of one artist, or excerpts of one recording, may be in two splits, in which case "
    "results are better than for unknown artists."
)
LEARNING = (
    "Solid: validation songs; dashed: training songs (with the recipe's dropout and regularisation). The dot marks the "
    "best epoch by validation accuracy. Hover over an epoch to see its values."
)
CELLS = "Hover over a cell to see its values."
SYNTHETIC = "The songs are synthetic: the results compare {} with each other and say nothing about music."
