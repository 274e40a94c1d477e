//! Every knob, with its default and its unit.
