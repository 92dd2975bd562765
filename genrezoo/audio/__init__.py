"""From audio to features: decoding, one short-time Fourier transform, and the features derived from it.

Each kind of features has a module with a function (`mel.log_mel`, `mfcc.mfcc_statistics`, `segments.segments`,
`table.feature_table`, `images.spectrogram_image`, `tagger_mel.tagger_mel`) and a settings class; a run stores its
settings.
"""
