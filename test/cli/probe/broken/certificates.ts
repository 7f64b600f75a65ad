import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const openssl = (args: string[]) => execute("openssl", args);

interface Wish {
  readonly name?: string;
  /** Days from now on; below 0: in the past. */
  readonly days?: number;
  readonly bits?: number;
  /** By a CA that nobody knows, instead of by itself. */
  readonly signed?: boolean;
}

/** Makes a key and a certificate with the openssl command. */
export async function certificate({ name = "localhost", days = 30, bits = 2048, signed = false }: Wish) {
  const folder = await mkdtemp(join(tmpdir(), "rayguard-certificate-"));
  const at = (file: string) => join(folder, file);
  try {
    await openssl([
      "req",
      "-new",
      "-newkey",
      `rsa:${bits}`,
      "-nodes",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      at("key"),
      "-out",
      at("csr"),
    ]);
    await writeFile(at("ext"), `subjectAltName=DNS:${name}\n`);
    if (signed) {
      await openssl([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=Private CA",
        "-keyout",
        at("ca"),
        "-out",
        at("ca.pem"),
      ]);
    }
    const by = signed ? ["-CA", at("ca.pem"), "-CAkey", at("ca"), "-set_serial", "2"] : ["-signkey", at("key")];
    await openssl([
      "x509",
      "-req",
      "-in",
      at("csr"),
      ...by,
      "-days",
      String(days),
      "-extfile",
      at("ext"),
      "-out",
      at("pem"),
    ]);
    const [key, cert] = await Promise.all([readFile(at("key"), "utf8"), readFile(at("pem"), "utf8")]);
    return { key, cert };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
