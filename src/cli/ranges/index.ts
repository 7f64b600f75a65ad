import { iptables, nftables, ufw } from "./firewalls.js";
import type { RangeFormat } from "./format.js";
import { apache, haproxy, nginx, nginxRealIp } from "./proxies.js";

const json: RangeFormat = ({ date, etag, ipv4, ipv6 }) => `${JSON.stringify({ date, etag, ipv4, ipv6 }, null, 2)}\n`;

/** Every format of `rayguard ranges`, by its name. */
export const RANGE_FORMATS: Readonly<Record<string, RangeFormat>> = {
  nginx,
  "nginx-realip": nginxRealIp,
  apache,
  haproxy,
  nftables,
  iptables,
  ufw,
  json,
};
