use sluicegate::prelude::*;

mod forgotten {
    use super::*;

    struct Denies;

    impl HttpFilter for Denies {
        type Plugin = ();

        fn create(_: &(), _: u32) -> Self {
            Self
        }

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.reply(&LocalResponse::new(403))
        }
    }

    sluicegate::plugin!(http: Denies);
}

mod of_another_role {
    use super::*;

    #[derive(Default)]
    struct Both;

    #[sluicegate::http_filter]
    impl HttpFilter for Both {}

    impl TcpFilter for Both {
        type Plugin = ();

        fn create(_: &(), _: u32) -> Self {
            Self
        }

        fn on_new_connection(&mut self, connection: &mut TcpHandle<'_>) -> Result<FilterStatus> {
            connection.close_downstream()?;
            Ok(FilterStatus::StopIteration)
        }
    }

    // The callbacks of an HTTP filter would be exported, and those of the TCP filter not.
    sluicegate::plugin!(tcp: Both);
}

fn main() {}
