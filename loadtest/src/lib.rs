//! A real Envoy for tests and measurements.
