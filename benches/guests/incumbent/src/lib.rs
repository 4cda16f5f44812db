//! The load comparison's job, the incumbent's way.
