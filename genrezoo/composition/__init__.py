"""Models made of models: ``build_<name>(members, input_shape, num_classes, *, …)``, one file each."""
