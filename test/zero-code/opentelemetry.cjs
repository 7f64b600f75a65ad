// Loaded in front of a program, as the agents of an APM are: writes a line for each span of HTTP.

const { context } = require("@opentelemetry/api");
const { AsyncLocalStorageContextManager } = require("@opentelemetry/context-async-hooks");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const exporter = {
  export(spans, done) {
    for (const { kind, attributes, parentSpanContext } of spans) {
      const target = attributes["http.target"] ?? attributes["url.path"];
      const status = attributes["http.status_code"] ?? attributes["http.response.status_code"];
      const record = { msg: "span", kind, target, status, isInner: parentSpanContext !== undefined };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    }
    done({ code: 0 });
  },
  shutdown: async () => {},
};

const instrumentation = new HttpInstrumentation();
instrumentation.setTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
