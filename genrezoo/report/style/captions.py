"""Sentences that every page may need."""

PROVENANCE = {
    "official": "official split: the one published with the data",
    "artist-filtered": "artist-filtered split: no artist is in two splits",
    "fault-filtered": "fault-filtered split: the published lists without faulty and repeated clips",
    "random": "random split: drawn without regard to artists",
    "repeated, by group": "drawn anew by group: no artist is in two sides of a split",
    "repeated, stratified": "drawn anew at random, without regard to artists",
}
RANDOM_SPLIT = (
    "The split is random: songs of one artist, or excerpts of one recording, may be in two splits, and then the "
    "results are better than on songs of unknown artists."
)
LEARNING = (
    "Solid: validation songs; dashed: training songs (with dropout and penalties where the recipe has them). The dot "
    "marks the best epoch by validation accuracy. Point at an epoch for its values."
)
CELLS = "Point at a cell for its values."
SYNTHETIC = "The songs are synthetic: the results compare {} with each other and say nothing about music."
