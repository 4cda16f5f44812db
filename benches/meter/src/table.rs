//! The figures as tables for people.

use comfy_table::{CellAlignment, Table, presets};

use crate::measure::Figures;
use crate::open::Beside;

/// Makes the table of the cost of a request, with facts about the module.
pub(crate) fn modules(modules: &[Figures]) -> Table {
    let columns = ["instructions", "VM entries", "host calls", "host's allocations", "pages", "grows after", "bytes"];
    let mut table = table(["module", "scenario"].into_iter().chain(columns));
    for module in modules {
        let figures = [
            module.instructions,
            module.vm_entries,
            module.host_calls,
            module.host_allocations,
            module.pages,
            module.grows_after_warmup,
            module.module_bytes,
        ];
        row(&mut table, [&module.name, module.scenario], &figures);
    }
    align(table, 2)
}

/// Makes the table of the cost of each callback.
pub(crate) fn callbacks(modules: &[Figures]) -> Table {
    let columns = ["instructions", "VM entries", "host calls", "host's allocations", "pages after", "grows after"];
    let mut table = table(["module", "scenario", "callback"].into_iter().chain(columns));
    for module in modules {
        for callback in &module.callbacks {
            let figures = [
                callback.instructions,
                callback.vm_entries,
                callback.host_calls,
                callback.host_allocations,
                callback.pages_after_warmup,
                callback.grows_after_warmup,
            ];
            row(&mut table, [&module.name, module.scenario, callback.callback], &figures);
        }
    }
    align(table, 3)
}

/// Makes the table of the cost of a request beside open streams.
pub(crate) fn beside(modules: &[Beside]) -> Table {
    let columns = ["oldest ends", "newest ends", "any ends", "own ends", "one drained"];
    let mut table = table(["module", "open streams"].into_iter().chain(columns));
    for module in modules {
        let figures = [module.oldest, module.newest, module.any, module.short, module.drained];
        row(&mut table, [&module.name, &module.open.to_string()], &figures);
    }
    align(table, 2)
}

fn table<'a>(header: impl Iterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table
}

fn row<const N: usize>(table: &mut Table, texts: [&str; N], figures: &[u64]) {
    table.add_row(texts.into_iter().map(str::to_owned).chain(figures.iter().map(ToString::to_string)));
}

/// Aligns the figures to the right. They are in the columns after the first `texts` ones.
fn align(mut table: Table, texts: usize) -> Table {
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
