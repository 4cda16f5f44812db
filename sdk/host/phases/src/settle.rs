//! Which outcome of a cell counts: the table's, or one that came twice.

use anyhow::Result;

use crate::judge::Outcome;

/// The largest number of times that a cell is played.
const PLAYS: usize = 3;

/// The result of a cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settled {
    /// This outcome; `None` if the call is not reached.
    At(Option<Outcome>),
    /// Another outcome each time: the table is not contradicted.
    Open(Vec<Option<Outcome>>),
}

/// Plays cells until each is settled. `known` has the table's outcome of each. `play` plays the
/// cells with these numbers, and hears how often each was played before: cells that are played
/// again have an Envoy of their own.
///
/// # Errors
///
/// Fails if `play` fails.
pub fn settle(
    known: &[Option<Outcome>],
    mut play: impl FnMut(&[usize], usize) -> Result<Vec<Option<Outcome>>>,
) -> Result<Vec<Settled>> {
    let mut seen: Vec<Vec<Option<Outcome>>> = vec![Vec::new(); known.len()];
    let mut settled: Vec<Option<Settled>> = vec![None; known.len()];
    for before in 0..PLAYS {
        let those: Vec<usize> = (0..known.len()).filter(|cell| settled[*cell].is_none()).collect();
        if those.is_empty() {
            break;
        }
        for (cell, outcome) in those.iter().zip(play(&those, before)?) {
            seen[*cell].push(outcome);
            settled[*cell] = counts(known[*cell], &seen[*cell]).then_some(Settled::At(outcome));
        }
    }
    Ok(settled.into_iter().zip(seen).map(|(settled, seen)| settled.unwrap_or(Settled::Open(seen))).collect())
}

/// Returns whether the last outcome counts: if it is the table's, if it came before, or if the
/// table has none and it does no harm.
fn counts(known: Option<Outcome>, seen: &[Option<Outcome>]) -> bool {
    let Some((last, before)) = seen.split_last() else { return false };
    let is_harmless = last.is_some_and(|last| !last.harms());
    *last == known && known.is_some() || before.contains(last) || known.is_none() && before.is_empty() && is_harmless
}

#[cfg(test)]
mod tests {
    use super::Outcome::{Dies, Lost, Works};
    use super::*;

    /// Returns the result of a cell with these outcomes, one after the other, and the number of
    /// times that it is played.
    fn of(known: Option<Outcome>, outcomes: &[Option<Outcome>]) -> (Settled, usize) {
        let mut played = 0;
        let settled = settle(&[known], |cells, before| {
            assert_eq!((cells, before), (&[0][..], played));
            played += 1;
            Ok(vec![outcomes[before]])
        });
        (settled.expect("no error").remove(0), played)
    }

    #[test]
    fn the_tables_outcome_is_not_played_again() {
        assert_eq!(of(Some(Works), &[Some(Works)]), (Settled::At(Some(Works)), 1));
        assert_eq!(of(Some(Dies), &[Some(Dies)]), (Settled::At(Some(Dies)), 1));
    }

    #[test]
    fn an_outcome_that_comes_once_changes_nothing() {
        assert_eq!(of(Some(Works), &[Some(Lost), Some(Works)]), (Settled::At(Some(Works)), 2));
        assert_eq!(of(Some(Works), &[None, Some(Lost), Some(Works)]), (Settled::At(Some(Works)), 3));
        let all = [Some(Lost), Some(Dies), None];
        assert_eq!(of(Some(Works), &all), (Settled::Open(all.to_vec()), 3));
    }

    #[test]
    fn an_outcome_that_comes_twice_counts() {
        assert_eq!(of(Some(Works), &[Some(Dies), Some(Dies)]), (Settled::At(Some(Dies)), 2));
        assert_eq!(of(Some(Works), &[Some(Dies), Some(Lost), Some(Dies)]), (Settled::At(Some(Dies)), 3));
        assert_eq!(of(Some(Works), &[None, None]), (Settled::At(None), 2));
    }

    #[test]
    fn a_new_cell_is_played_again_if_it_surprises() {
        assert_eq!(of(None, &[Some(Lost)]), (Settled::At(Some(Lost)), 1));
        assert_eq!(of(None, &[Some(Dies), Some(Dies)]), (Settled::At(Some(Dies)), 2));
        assert_eq!(of(None, &[None, None]), (Settled::At(None), 2));
        assert_eq!(of(None, &[Some(Dies), Some(Works), Some(Works)]), (Settled::At(Some(Works)), 3));
    }

    #[test]
    fn only_cells_that_differ_are_played_again() {
        let known = [Some(Works), Some(Works), Some(Lost)];
        let mut rounds = Vec::new();
        let settled = settle(&known, |cells, _| {
            rounds.push(cells.to_vec());
            Ok(cells.iter().map(|cell| Some([Works, Dies, Lost][*cell])).collect())
        });
        let settled = settled.expect("no error");
        assert_eq!(settled, [Works, Dies, Lost].map(|outcome| Settled::At(Some(outcome))));
        assert_eq!(rounds, [vec![0, 1, 2], vec![1]]);
    }
}
