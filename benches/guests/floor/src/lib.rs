//! The load comparison's job, the floor's way.
