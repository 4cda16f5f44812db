//! A profile as folded stacks: a line for each site, for flame graphs.

use core::fmt::{self, Write};

use super::{Live, Names, Profile};
use crate::report::number;

/// The text for an unknown part of a site.
pub(super) const NO_PLUGIN: &str = "(no plugin)";
pub(super) const NO_FILTER: &str = "(no filter)";
pub(super) const NO_CALLBACK: &str = "(no callback)";

impl Profile {
    /// Writes `plugin;filter;callback bytes` and a line feed for each site. `flamegraph.pl`,
    /// inferno and speedscope read this format. In names a semicolon, a space and a line feed
    /// become `_`.
    ///
    /// # Errors
    ///
    /// Fails if `out` fails.
    pub fn folded(&self, names: &Names<'_>, out: &mut dyn Write) -> fmt::Result {
        for Live { site, bytes, .. } in self.sites() {
            match names(site.plugin) {
                Some(name) => plain(out, name)?,
                None if site.plugin == 0 => plain(out, NO_PLUGIN)?,
                None => {
                    out.write_str("plugin_")?;
                    number(out, site.plugin.into())?;
                }
            }
            for name in [site.filter.unwrap_or(NO_FILTER), site.callback.unwrap_or(NO_CALLBACK)] {
                out.write_str(";")?;
                plain(out, name)?;
            }
            out.write_str(" ")?;
            number(out, *bytes)?;
            out.write_str("\n")?;
        }
        Ok(())
    }
}

/// Writes a name without the characters that separate names.
fn plain(out: &mut dyn Write, name: &str) -> fmt::Result {
    for (place, part) in name.split([';', ' ', '\n']).enumerate() {
        if place > 0 {
            out.write_str("_")?;
        }
        out.write_str(part)?;
    }
    Ok(())
}
