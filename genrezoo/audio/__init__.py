"""From audio to features: decoding, one short-time Fourier transform, and what is derived from it.

Each kind of features is a function in a file of its own (`mel.log_mel`, `mfcc.mfcc_statistics`, `segments.segments`,
`table.feature_table`, `images.spectrogram_image`, `tagger_mel.tagger_mel`) and a record of settings, which a run keeps.
"""
