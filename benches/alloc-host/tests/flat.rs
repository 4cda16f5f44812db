//! Memory stands still under every load, for each of the four allocators; and a load that loses a
//! block is found out.
//!
//! It counts pages and bytes, never time: the same on every machine. What "stands still" means is
//! in `soak`.

use std::thread;

use sluicegate_alloc_host::guest::{Engines, Guest};
use sluicegate_alloc_host::soak::{Found, SOAKS, Soak, guest};

fn soaked(guest: &Guest) -> Vec<Option<Found>> {
    let run = |soak: &Soak| soak.run(&mut guest.timed().unwrap(), 1).unwrap();
    SOAKS.iter().map(|soak| soak.runs(&guest.name).then(|| run(soak))).collect()
}

#[test]
fn all_four_stand_still() {
    let engines = Engines::new().unwrap();
    // One build at a time: they share a directory.
    let guests = ["system", "heap", "freelist", "arena"].map(|name| guest(&engines, name).unwrap());
    let found = thread::scope(|scope| {
        guests.each_ref().map(|guest| scope.spawn(|| soaked(guest))).map(|thread| thread.join().unwrap())
    });
    let mut faults = Vec::new();
    for (guest, founds) in guests.iter().zip(&found) {
        for ((soak, own), std) in SOAKS.iter().zip(founds).zip(&found[0]) {
            let (name, title) = (&guest.name, soak.title);
            let Some(own) = own else { continue };
            println!(
                "{name}, {title}: {}, {:?}, peak {} pages, {} retained, then {}",
                own.pages[0],
                own.halves(),
                own.peak(),
                own.retained,
                own.big
            );
            if own.live.is_none() {
                faults.push(format!("{name}, {title}: live bytes are not counted"));
            }
            if let Err(fault) = own.verify(soak.settles(name), std.as_ref().map_or(0, |std| std.halves().1)) {
                faults.push(format!("{name}, {title}: {fault}"));
            }
            if title.starts_with("S12")
                && soak.settles(name)
                && let Err(fault) = own.verify_bursts()
            {
                faults.push(format!("{name}, {title}: {fault}"));
            }
            if let (true, Some(std)) = (soak.burst, std)
                && own.big > std.big + soak.margin(name)
            {
                faults.push(format!("{name}, {title}: {} pages after 8 MiB, std {}", own.big, std.big));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn an_allocator_that_loses_blocks_grows() {
    let engines = Engines::new().unwrap();
    let guest = Guest::build(&engines, "leaky+count").unwrap();
    let trace = SOAKS.last().unwrap();
    let fault = trace.run(&mut guest.timed().unwrap(), 1).unwrap().verify(false, 0).unwrap_err();
    assert!(fault.to_string().contains("in the second half"), "{fault}");
}

#[test]
fn a_lost_block_shows_in_both_counts() {
    let engines = Engines::new().unwrap();
    let guest = guest(&engines, "freelist").unwrap();
    let mut running = guest.timed().unwrap();
    let before = running.count("live").unwrap().unwrap();
    running.call("lose", &[100]).unwrap();
    let after = running.count("live").unwrap().unwrap();
    assert_eq!(after - before, 100);
    let held = running.count("held").unwrap().unwrap() as usize;
    assert_eq!(held, 100);
    let ratchet = SOAKS.iter().find(|soak| soak.title.starts_with("S6")).unwrap();
    let fault = ratchet.run(&mut running, 1).unwrap().verify(false, 0).unwrap_err();
    assert!(fault.to_string().contains("held"), "{fault}");
}
