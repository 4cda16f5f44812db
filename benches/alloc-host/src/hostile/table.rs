//! The figures as tables.

use super::Found;
use sluicegate_benches::table::Table;

/// A figure as text.
type Figure = fn(&Found) -> String;

/// Returns a summary, and a table for each figure with traces by allocators. Pages are compared
/// with those of the first allocator.
#[must_use]
pub fn tables(found: &[Vec<Found>], paged: impl Fn(&str) -> bool) -> Vec<Table> {
    let Some(first) = found.first() else { return Vec::new() };
    let names: Vec<&str> = found.iter().filter_map(|list| list.first()).map(|f| f.allocator.as_str()).collect();
    let mut tables = vec![summary(found, paged)];
    let figures: [(&str, Figure); 8] = [
        ("instructions of the worst operation", |f| f.costs.dearest().cost.to_string()),
        ("of the worst request", |f| f.costs.worst_request.to_string()),
        ("of one operation in a thousand, or more", |f| f.costs.p999.to_string()),
        ("of an operation, in the mean", |f| format!("{:.0}", f.costs.mean)),
        ("of the worst refusal", |f| some(f.costs.worst_refused.cost as f64)),
        ("of a refusal, in the mean", |f| some(f.costs.mean_refused)),
        ("of the worst operation on a region", |f| some(f.costs.worst_region.cost as f64)),
        ("pages beyond the start", |f| f.pages.to_string()),
    ];
    for (title, figure) in figures {
        let mut table = Table::new(std::iter::once(title).chain(names.iter().copied()).chain(["live at most"]));
        for (row, trace) in first.iter().enumerate() {
            let cells = found.iter().map(|list| cell(&list[row], figure));
            let live = if title.starts_with("pages") { trace.live.to_string() } else { String::new() };
            table.add(std::iter::once(trace.trace.to_owned()).chain(cells).chain([live]).collect());
        }
        tables.push(table);
    }
    tables
}

fn some(value: f64) -> String {
    if value > 0.0 { format!("{value:.0}") } else { "-".to_owned() }
}

/// Returns a figure. It is in brackets if the trace did not end, because it is then about a part of
/// the trace.
fn cell(found: &Found, figure: Figure) -> String {
    if found.ended.is_some() { format!("({})", figure(found)) } else { figure(found) }
}

fn summary(found: &[Vec<Found>], paged: impl Fn(&str) -> bool) -> Table {
    let mut table = Table::new([
        "allocator",
        "worst operation",
        "on",
        "worst request",
        "p99.9 at most",
        "worst refusal",
        "pages by std's at most",
        "on",
        "ends early",
    ]);
    for list in found {
        let ended = list.iter().filter(|f| f.ended.is_some()).count();
        let Some(worst) = list.iter().max_by_key(|f| f.costs.dearest().cost) else { continue };
        let most = |figure: fn(&Found) -> u64| list.iter().map(figure).max().unwrap_or(0).to_string();
        let ratios = list.iter().zip(&found[0]).filter(|(own, _)| own.ended.is_none() && paged(own.trace));
        let pages = ratios
            .map(|(own, std)| (own.pages as f64 / std.pages.max(1) as f64, own.trace))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, on) = pages.map_or_else(Default::default, |(ratio, trace)| (format!("{ratio:.2}"), trace));
        table.add(vec![
            worst.allocator.clone(),
            worst.costs.dearest().cost.to_string(),
            worst.trace.to_owned(),
            most(|f| f.costs.worst_request),
            most(|f| f.costs.p999),
            most(|f| f.costs.worst_refused.cost),
            ratio,
            on.to_owned(),
            ended.to_string(),
        ]);
    }
    table
}
