//! Plugins of one VM.

use super::*;

#[test]
fn plugins_cost_each_other_nothing() {
    let module = module();
    compare("plugins that start", |number| {
        let host = start(&module);
        cost(&host, || (0..number).for_each(|_| assert!(host.add_plugin("", "a timer").started())))
    });
    compare("plugins that tick", |number| {
        let host = start(&module);
        let plugins: Vec<_> = (0..number).map(|_| host.add_plugin("", "a timer")).collect();
        cost(&host, || plugins.iter().for_each(sluicegate_host::Plugin::tick))
    });
    compare("plugins with one request each", |number| {
        let host = start(&module);
        let plugins: Vec<_> = (0..number).map(|_| host.add_plugin("", "")).collect();
        cost(&host, || {
            for plugin in &plugins {
                let stream = plugin.http_stream();
                stream.request_headers(&[(":path", "/")]);
                stream.complete();
            }
        })
    });
    for order in Order::ALL {
        compare(&format!("plugins that end {order:?}"), |number| {
            let host = start(&module);
            let mut plugins: Vec<_> = (0..number).map(|_| host.add_plugin("", "a timer")).collect();
            order.arrange(&mut plugins);
            cost(&host, || plugins.iter().for_each(|plugin| assert!(plugin.finish())))
        });
    }
}
