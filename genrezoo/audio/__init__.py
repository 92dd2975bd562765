"""From sound to features: decoding, one short-time Fourier transform, and what is derived from it."""
