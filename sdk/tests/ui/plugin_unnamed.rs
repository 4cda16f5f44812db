use sluicegate::prelude::*;

#[derive(Default)]
struct Rules {
    denied: Vec<u8>,
}

#[sluicegate::plugin_context]
impl PluginContext for Rules {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.denied = plugin.configuration()?.to_vec();
        Ok(StartStatus::Ok)
    }
}

type Alias = Rules;

#[derive(Default)]
struct Denies;

#[sluicegate::http_filter]
impl HttpFilter for Denies {
    type Plugin = Alias;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Rules>) -> Result<Action> {
        if request.plugin().denied.is_empty() { Ok(Action::Continue) } else { request.reply(&LocalResponse::new(403)) }
    }
}

#[derive(Default)]
struct Closes;

#[sluicegate::tcp_filter]
impl TcpFilter for Closes {
    type Plugin = Rules;

    fn on_new_connection(&mut self, _: &mut TcpHandle<'_, Rules>) -> Result<FilterStatus> {
        Ok(FilterStatus::Continue)
    }
}

mod http {
    sluicegate::plugin!(http: super::Denies);
}

mod tcp {
    sluicegate::plugin!(tcp: super::Closes);
}

mod root {
    use super::*;

    // The plugin of another root is another plugin.
    sluicegate::plugin! {
        root "configured" { plugin: Rules }
        root "denies" { http: Denies }
    }
}

mod generic {
    use super::*;

    #[derive(Default)]
    struct Ticks<T>(T);

    #[sluicegate::plugin_context(timers)]
    impl<T: Default + 'static> PluginContext for Ticks<T> {}

    #[derive(Default)]
    struct Filter<T>(T);

    #[sluicegate::http_filter]
    impl<T: Default + 'static> HttpFilter for Filter<T> {
        type Plugin = Ticks<T>;
    }

    sluicegate::plugin!(http: Filter<u8>);
}

mod vm {
    use super::*;

    #[derive(Default)]
    struct Vm;

    #[sluicegate::vm_context]
    impl VmContext for Vm {
        fn on_vm_start(&mut self, _: &mut VmHandle<'_>) -> Result<StartStatus> {
            Ok(StartStatus::Failed)
        }
    }

    #[derive(Default)]
    struct Plugin;

    // It has no callbacks, so only its VM's context is to be named.
    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        type Vm = Vm;
    }

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        type Plugin = Plugin;
    }

    mod of_a_plugin {
        sluicegate::plugin!(plugin: super::Plugin);
    }

    mod of_a_filter {
        sluicegate::plugin!(http: super::Filter);
    }
}

mod by_hand {
    use super::*;

    #[derive(Default)]
    struct Filter;

    struct Plugin;

    impl PluginContext for Plugin {
        type Vm = ();

        fn create(_: &(), _: u32) -> Self {
            Self
        }

        fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
            Ok(StartStatus::Failed)
        }
    }

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        type Plugin = Plugin;
    }

    sluicegate::plugin!(http: Filter);
}

fn main() {}
