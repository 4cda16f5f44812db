//! The versions of the ABI.

/// The version of the ABI, which the module's marker names.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Abi {
    V0_1_0,
    V0_2_0,
    #[default]
    V0_2_1,
}

impl Abi {
    /// Returns the version of modules of this process.
    pub(crate) fn of_the_sdk() -> Self {
        match sluicegate::ABI_VERSION {
            "0.1.0" => Self::V0_1_0,
            "0.2.0" => Self::V0_2_0,
            _ => Self::V0_2_1,
        }
    }
}
