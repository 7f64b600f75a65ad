/** The fields of the guard's request line, by hand: what the line itself costs, whoever writes it. */
export function lineOf({ headers, method, url }, status, ms) {
  const ray = headers["cf-ray"];
  return {
    ray: ray.slice(0, 16),
    colo: ray.slice(17),
    clientIp: headers["cf-connecting-ip"],
    verified: false,
    method,
    url,
    status,
    octets: 45,
    ms,
    outcome: "intact",
  };
}
