//! The effects of any bytes of a host: the fuzz targets, which `any_bytes` drives too.

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::prelude::*;
use sluicegate::{foreign, property};

/// Every call for bytes gives these.
struct Bytes(Vec<u8>);

impl Host for Bytes {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        if import == Import::proxy_get_log_level {
            return 10;
        }
        if let [.., Arg::OutBlock(value), Arg::OutSize(size)] = *args {
            let block = allocate(self.0.len());
            // SAFETY: the guest allocated this many bytes.
            unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), block, self.0.len()) };
            // SAFETY: the guest passes places.
            unsafe { value.write(block) };
            // SAFETY: as above.
            unsafe { size.write(self.0.len()) };
        }
        0
    }
}

/// The filter's actions with the data that it gets.
type Target = fn(&mut RequestHeaders<'_>) -> Result<()>;

thread_local! {
    static TARGET: RefCell<Option<Target>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let target = TARGET.with_borrow(|target| *target);
        target.map_or(Ok(()), |target| target(request))?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

fn run(bytes: &[u8], target: Target) {
    let _installed = native::install(Rc::new(Bytes(bytes.to_vec())));
    TARGET.set(Some(target));
    (PLUGIN.reset)();
    for (context, parent) in [(1, 0), (2, 1)] {
        PLUGIN.proxy_on_context_create.unwrap()(context, parent);
    }
    assert_eq!(PLUGIN.proxy_on_request_headers.unwrap()(2, 1, 1), 0);
    PLUGIN.proxy_on_delete.unwrap()(2);
}

/// A header map: it is refused, or it is walked, read and edited, and what it holds is what the
/// block holds.
pub(crate) fn pairs(bytes: &[u8]) {
    run(bytes, |request| {
        let map = request.snapshot()?;
        let size: usize = map.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        let block = request.fetch("x")?.unwrap_or_else(|| panic!("the host answers"));
        assert!(block.len() == size + 4 || (map.is_empty() && block.len() < 2));
        for (name, value) in map {
            assert!(map.get(name).is_some());
            if !name.is_empty() {
                request.add(name, value)?;
            }
        }
        assert_eq!(map.iter().len(), map.len());
        request.remove("x")?;
        request.snapshot().map(drop)
    });
}

/// A property, read as everything that it could be.
pub(crate) fn property_value(bytes: &[u8]) {
    run(bytes, |_| {
        let read = || Ok::<_, Error>(property::get(&["a", "b"])?.unwrap_or_else(|| panic!("the host answers")));
        let value = read()?;
        assert_eq!(value.to_bool().is_ok(), value.len() == 1);
        assert_eq!(value.to_u64().is_ok(), value.len() == 8);
        assert_eq!((value.to_i64().is_ok(), value.to_f64().is_ok()), (value.len() == 8, value.len() == 8));
        assert!(value.to_time().is_err() || value.to_i64()? >= 0);
        if let Ok(map) = read()?.into_map() {
            assert!(map.iter().all(|(key, _)| map.get(key).is_some()));
        }
        if let Ok(list) = value.into_list() {
            assert_eq!((list.iter().count(), list.get(list.len()).is_none()), (list.len(), true));
        }
        Ok(())
    });
}

/// The answer of a foreign function, of which some are messages.
pub(crate) fn foreign_answer(bytes: &[u8]) {
    run(bytes, |_| {
        foreign::call("any", b"", 0)?;
        let key = foreign::Key::Der(b"key");
        if let Ok(verified) = foreign::verify_signature("sha256", key, b"signature", b"text") {
            assert!(verified.reason().len() <= 1 << 16);
        }
        let signed = foreign::sign("sha256", key, b"text")?;
        assert!(signed.bytes().is_none_or(|bytes| bytes.len() <= 1 << 16) && signed.reason().len() <= 1 << 16);
        Ok(())
    });
}
