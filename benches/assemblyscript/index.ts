// The benchmark job on the AssemblyScript SDK, written as its documentation shows: on request headers, read all of them, sum the lengths of names and values,
// set `x-total-bytes` to the sum in decimal; on response headers, add `x-filter: 1`.

export * from "@solo-io/proxy-runtime/proxy";
import { Context, FilterHeadersStatusValues, RootContext, registerRootContext, stream_context } from "@solo-io/proxy-runtime";

class Root extends RootContext {
  createContext(context_id: u32): Context {
    return new Filter(context_id, this);
  }
}

class Filter extends Context {
  onRequestHeaders(headers: u32, end_of_stream: bool): FilterHeadersStatusValues {
    const all = stream_context.headers.request.get_headers();
    let total = 0;
    for (let i = 0; i < all.length; i++) {
      total += all[i].key.byteLength + all[i].value.byteLength;
    }
    stream_context.headers.request.replace("x-total-bytes", total.toString());
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(headers: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-filter", "1");
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => new Root(context_id), "");
