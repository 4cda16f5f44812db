//! The jobs on the crate `proxy-wasm`, as its documentation shows.
#![allow(unsafe_code, missing_docs, reason = "`main!` of proxy-wasm exports its start-up function")]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use crate::jobs::{Job, Kind, LONG};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Plugin { job: Job::default() }) });
}}

struct Plugin {
    job: Job,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        self.job = Job::parse(&self.get_plugin_configuration().unwrap_or_default());
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Edits { job: self.job }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Edits {
    job: Job,
}

impl Context for Edits {}

impl HttpContext for Edits {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        core::hint::black_box(self.run());
        Action::Continue
    }
}

impl Edits {
    fn get(&self, name: &str) -> usize {
        usize::from(self.get_http_request_header(name).is_some())
    }

    fn run(&self) -> usize {
        let job = self.job;
        let headers = || self.get_http_request_headers();
        let contains = |headers: &[(String, String)], name: &str| headers.iter().any(|(found, _)| found == name);
        match job.kind {
            Kind::Nothing => 0,
            Kind::Add => job.added().map(|name| self.add_http_request_header(name, "value")).count(),
            Kind::AddLong => job.added().map(|name| self.add_http_request_header(name, LONG)).count(),
            Kind::Replace => job.added().map(|name| self.set_http_request_header(name, Some("value"))).count(),
            Kind::GetPresent => job.present().map(|name| self.get(name)).sum(),
            Kind::GetAbsent => job.absent().map(|name| self.get(name)).sum(),
            Kind::SnapshotPresent => {
                let headers = headers();
                job.present().filter(|name| contains(&headers, name)).count()
            }
            Kind::SnapshotAbsent => {
                let headers = headers();
                job.absent().filter(|name| contains(&headers, name)).count()
            }
            Kind::EditThenGet => {
                let before = headers().len();
                job.added().for_each(|name| self.set_http_request_header(name, Some("value")));
                before + job.added().map(|name| self.get(name)).sum::<usize>()
            }
            Kind::EditThenSnapshot => {
                let before = headers().len();
                job.added().for_each(|name| self.set_http_request_header(name, Some("value")));
                before + headers().len()
            }
            Kind::Cycle => job
                .added()
                .map(|name| {
                    self.add_http_request_header(name, "value");
                    let found = self.get(name);
                    self.set_http_request_header(name, None);
                    found
                })
                .sum(),
            Kind::Batch => {
                job.added().for_each(|name| self.add_http_request_header(name, "value"));
                let found = job.added().map(|name| self.get(name)).sum();
                job.added().for_each(|name| self.set_http_request_header(name, None));
                found
            }
        }
    }
}
