import { FRAMING, writtenName } from "../../http/fields.js";
import type { Check, Section } from "./section.js";
import { escapeText, showField } from "./show.js";

/** `uri-host [ ":" port ]`. RFC 3986, section 3.2.2; empty where the target URI has no authority. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|\[[vV][0-9A-Fa-f]+\.[\w\-.~!$&'()*+,;=:]+\]|[\w\-.~!$&'()*+,;=%]*)(?::[0-9]*)?$/;

/**
 * Request fields that make a 412 possible: the preconditions of HTTP, those of WebDAV and of object stores, and two
 * protocols that use 412 for conditions of their own.
 */
const PRECONDITION = /^if$|^if-|-if-|^overwrite$|^tus-resumable$/;

/** Which status answers which request. */
export const statusChecks = {
  /** RFC 9110, section 7.8: there is no switching of protocols on HTTP/1.0. */
  "SL-11": (section) => {
    if (section.status !== 101 || section.subject.request.version !== "1.0") return undefined;
    return { found: "101 to an HTTP/1.0 request", advice: "Answer the request as if it had no Upgrade field." };
  },

  /** RFC 9110, section 14.2: Range has a meaning for GET alone, HEAD not included. */
  "SL-12": (section) => {
    if (section.status !== 206) return undefined;
    if (section.method !== "GET") {
      return {
        found: `206 to ${escapeText(section.method)}`,
        advice: "Ignore Range unless the method is GET, and answer with 200.",
      };
    }
    if (section.requestValue("range") !== undefined) return undefined;
    return { found: "206 to a request without Range", advice: "Answer with 200 and the whole representation." };
  },

  /** RFC 9110, section 13.1: a false precondition is 304 for GET and HEAD, 412 for every other method. */
  "SL-13": (section) => {
    if (section.status !== 304) return undefined;
    if (section.method !== "GET" && section.method !== "HEAD") {
      return {
        found: `304 to ${escapeText(section.method)}`,
        advice: "Answer 412 where a precondition fails, and 200 or 204 otherwise.",
      };
    }
    if (section.requestValue("if-none-match") !== undefined) return undefined;
    if (section.requestValue("if-modified-since") !== undefined) return undefined;
    return {
      found: "304 to a request without If-None-Match and If-Modified-Since",
      advice: "Answer with 200 and the content: this client has nothing stored.",
    };
  },

  /** RFC 9110, sections 15.5.13, 15.5.17 and 15.5.18. */
  "SL-14": (section) => {
    if (
      section.status === 412 &&
      !Object.keys(section.subject.request.headers).some((name) => PRECONDITION.test(name))
    ) {
      return {
        found: "412 to a request without a precondition",
        advice: "Answer 428 to ask for a precondition, 409 for a conflict, or 400.",
      };
    }
    if (section.status === 416 && !hasRequestField(section, "range") && !hasRequestField(section, "content-range")) {
      return { found: "416 to a request without Range", advice: "Answer 400 or 422 for a value out of bounds." };
    }
    if (section.status === 417 && !hasRequestField(section, "expect")) {
      return { found: "417 to a request without Expect", advice: "Answer 400 or 422." };
    }
    return undefined;
  },

  /** RFC 9110, sections 2.2 and 11.7: proxy authentication is between a client and its proxy. */
  "SL-15": (section) => {
    const name = ["Proxy-Authenticate", "Proxy-Authentication-Info"].find((field) => section.has(field.toLowerCase()));
    if (section.status !== 407 && name === undefined) return undefined;
    return {
      found: section.status === 407 ? "407 from an origin server" : `${name} from an origin server`,
      advice: "Ask for credentials with 401 and WWW-Authenticate.",
    };
  },

  /**
   * RFC 9112, section 3.2. Node hands on the first of two Host fields only, so that the second is seen just where
   * `joinDuplicateHeaders` is set. A refusal with another status than 400 is let pass.
   */
  "SL-17": (section) => {
    const { version } = section.subject.request;
    if (section.status >= 400 || version === "2.0") return undefined;
    const host = section.requestValue("host");
    if (host === undefined ? version === "1.0" : isHost(host)) return undefined;
    return {
      found: `${section.status} to a request ${host === undefined ? "without Host" : `with ${showField("Host", host)}`}`,
      advice: "Answer 400 to a request whose Host field is missing or invalid.",
    };
  },

  /**
   * RFC 9110, section 9.1. Whether a method is known, and whether the resource exists, is not to be seen; that Allow
   * names the very method which has been refused is.
   */
  "SL-18": (section) => {
    if (section.status !== 405 && section.status !== 501) return undefined;
    if (!section.elements("allow").includes(section.method)) return undefined;
    return {
      found: `${section.status} to ${escapeText(section.method)} with ${showField("Allow", section.value("allow") ?? "")}`,
      advice: "List in Allow only the methods that the target resource takes, or answer this one with another status.",
    };
  },

  /** RFC 9110, section 9.3.6: the connection becomes a tunnel, so that nothing is left to frame. */
  "FR-7": (section) => {
    if (section.method !== "CONNECT" || section.status < 200 || section.status > 299) return undefined;
    const key = [...FRAMING].find((field) => section.has(field));
    if (key === undefined) return undefined;
    const name = writtenName(key);
    return { found: `${section.status} to CONNECT with ${name}`, advice: `Leave ${name} out of a 2xx to CONNECT.` };
  },
} satisfies Record<string, Check>;

function hasRequestField(section: Section, name: string): boolean {
  return section.requestValue(name) !== undefined;
}

function isHost(host: string): boolean {
  return HOST.test(host) && !/%(?![0-9A-Fa-f]{2})/.test(host);
}
