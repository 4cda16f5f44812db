//! The jobs on this SDK, as one writes them.

use sluicegate::prelude::*;

use crate::jobs::{Job, Kind, LONG};

#[derive(Default)]
struct Plugin {
    job: Job,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.job = Job::parse(&plugin.configuration()?);
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Edits;

#[sluicegate::http_filter]
impl HttpFilter for Edits {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let found = run(request.plugin().job, request)?;
        core::hint::black_box(found);
        Ok(Action::Continue)
    }
}

/// Does a job, and returns how many of the headers that it read are there.
fn run(job: Job, request: &mut RequestHeaders<'_, Plugin>) -> Result<usize> {
    let mut found = 0;
    match job.kind {
        Kind::Nothing => {}
        Kind::Add => job.added().try_for_each(|name| request.add(name, "value"))?,
        Kind::AddLong => job.added().try_for_each(|name| request.add(name, LONG))?,
        Kind::Replace => job.added().try_for_each(|name| request.replace(name, "value"))?,
        Kind::GetPresent => {
            for name in job.present() {
                found += usize::from(request.get(name)?.is_some());
            }
        }
        Kind::GetAbsent => {
            for name in job.absent() {
                found += usize::from(request.get(name)?.is_some());
            }
        }
        Kind::SnapshotPresent => {
            let headers = request.snapshot()?;
            found += job.present().filter(|name| headers.contains(name)).count();
        }
        Kind::SnapshotAbsent => {
            let headers = request.snapshot()?;
            found += job.absent().filter(|name| headers.contains(name)).count();
        }
        Kind::EditThenGet => {
            found += request.snapshot()?.len();
            job.added().try_for_each(|name| request.replace(name, "value"))?;
            for name in job.added() {
                found += usize::from(request.get(name)?.is_some());
            }
        }
        Kind::EditThenSnapshot => {
            found += request.snapshot()?.len();
            job.added().try_for_each(|name| request.replace(name, "value"))?;
            found += request.snapshot()?.len();
        }
        Kind::Cycle => {
            for name in job.added() {
                request.add(name, "value")?;
                found += usize::from(request.get(name)?.is_some());
                request.remove(name)?;
            }
        }
        Kind::Batch => {
            job.added().try_for_each(|name| request.add(name, "value"))?;
            for name in job.added() {
                found += usize::from(request.get(name)?.is_some());
            }
            job.added().try_for_each(|name| request.remove(name))?;
        }
    }
    Ok(found)
}

sluicegate::plugin!(plugin: Plugin, http: Edits);
