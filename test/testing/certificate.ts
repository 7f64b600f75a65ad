import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";

/** One element of DER: a tag, its length, its content. X.690, section 8.1. */
function der(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const size = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const SEQUENCE = 0x30;
const ECDSA_WITH_SHA256 = der(SEQUENCE, der(0x06, Buffer.from("2a8648ce3d040302", "hex")));
const COMMON_NAME = der(0x06, Buffer.from("550403", "hex"));
const SUBJECT_ALTERNATIVE_NAME = der(0x06, Buffer.from("551d11", "hex"));

/** Makes a self-signed certificate for localhost and 127.0.0.1, so that no key lies in the repository. RFC 5280. */
export function selfSigned(): { key: string; cert: string } {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const name = der(SEQUENCE, der(0x31, der(SEQUENCE, COMMON_NAME, der(0x0c, Buffer.from("localhost")))));
  const validity = der(SEQUENCE, der(0x17, Buffer.from("200101000000Z")), der(0x17, Buffer.from("491231235959Z")));
  const names = der(SEQUENCE, der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = der(0xa3, der(SEQUENCE, der(SEQUENCE, SUBJECT_ALTERNATIVE_NAME, der(0x04, names))));
  const version3 = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.from([1]));
  const unsigned = der(SEQUENCE, version3, serial, ECDSA_WITH_SHA256, name, validity, name, publicKey, extensions);
  const signature = der(0x03, Buffer.from([0]), sign("sha256", unsigned, privateKey));
  const certificate = der(SEQUENCE, unsigned, ECDSA_WITH_SHA256, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  };
}
