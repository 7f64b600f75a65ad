import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { escapeText } from "../../validity/lint/show.js";
import type { Probe } from "./probe.js";

const SOON_MS = 14 * 86_400_000;
const LEAST_RSA_BITS = 2048;
const LEAST_EC_BITS = 256;
const CURVE_BITS: Partial<Record<string, number>> = { prime192v1: 192, secp192k1: 192, secp224r1: 224, secp224k1: 224 };
/** Full (strict) trusts these besides public CAs. */
const ORIGIN_CA = /CloudFlare Origin (?:SSL|CA)/i;

/** Looks at the certificate as the SSL mode Full (strict) does, and says which mode is content with it. */
export function checkCertificate({ findings, origin }: Probe, socket: TLSSocket): void {
  const request = "TLS handshake";
  const version = socket.getProtocol() ?? "";
  if (version === "TLSv1" || version === "TLSv1.1") findings.add("tls-old", request, `${version} was agreed on.`);
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return;
  const { subject, subjectAltName, issuer, validFrom, validTo } = certificate;
  const flat = (text: string) => escapeText(text.replaceAll("\n", ", "));
  const until = Date.parse(validTo) - Date.now();
  if (until < 0) findings.add("certificate-expired", request, `It was valid until ${validTo}.`);
  else if (until < SOON_MS) findings.add("certificate-expires-soon", request, `It is valid until ${validTo}.`);
  if (Date.parse(validFrom) > Date.now()) {
    findings.add("certificate-not-yet-valid", request, `It is valid from ${validFrom}.`);
  }

  const { hostname } = origin;
  const isNamed =
    (isIP(hostname) === 0 ? certificate.checkHost(hostname) : certificate.checkIP(hostname)) !== undefined;
  // By address only machines of one's own are asked: the edge always names a host.
  const isLocal = isIP(hostname) !== 0 && /\blocalhost\b/.test(`${subject} ${subjectAltName ?? ""}`);
  if (!isNamed && !isLocal) {
    const names = flat(subjectAltName ?? subject);
    findings.add("certificate-name", request, `It is for ${names}, not for ${hostname}.`);
  }

  const { asymmetricKeyType = "", asymmetricKeyDetails } = certificate.publicKey;
  const curve = asymmetricKeyDetails?.namedCurve ?? "";
  const bits = asymmetricKeyDetails?.modulusLength ?? CURVE_BITS[curve] ?? LEAST_RSA_BITS;
  if (bits < (asymmetricKeyType === "ec" ? LEAST_EC_BITS : LEAST_RSA_BITS)) {
    findings.add("certificate-weak-key", request, `The key is ${asymmetricKeyType} of ${bits} bits.`);
  }

  const seen = `The issuer is ${flat(issuer)}.`;
  if (socket.authorized || ORIGIN_CA.test(issuer)) return;
  if (subject === issuer && certificate.checkIssued(certificate))
    findings.add("certificate-self-signed", request, seen);
  else if (isUntrusted(socket)) findings.add("certificate-untrusted", request, `${seen} ${reason(socket)}`);
}

function reason({ authorizationError }: TLSSocket): string {
  return `Verification says ${escapeText(String(authorizationError))}.`;
}

/** Names and dates have findings of their own. */
function isUntrusted(socket: TLSSocket): boolean {
  return !/ALTNAME|EXPIRED|NOT_YET_VALID/.test(reason(socket));
}
