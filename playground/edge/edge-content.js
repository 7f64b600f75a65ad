// The page that the edge makes itself: a status, whose fault it is, the Ray ID and the address of the visitor, which is
// what the real one shows as well. In plain JavaScript, since workerd runs it, too.

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1.25rem;color:#1d2433;background:#fff}
h1{font-size:1.35rem;font-weight:600;margin:0}p{margin:.35rem 0}ol{list-style:none;display:flex;gap:.5rem;padding:0;margin:1rem 0}
li{flex:1;border-top:3px solid #2f8f4e;padding-top:.4rem;font-size:.8rem}li.bad{border-color:#c9302c;font-weight:600}
small{color:#4b5568;font-size:.8rem}code{font-family:ui-monospace,monospace}`;

/** HTML of an error page. `ray` and `address` come from request fields: escaped. */
export function edgeContent(status, ray, address, sentence) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${status}</title>
<style>${STYLE}</style>
<h1>Error ${status}</h1>
<p>${sentence}</p>
<ol><li>You<br>working</li><li>Edge<br>working</li><li class="bad">Origin server<br>error</li></ol>
<p><small>Ray ID: <code>${escaped(ray)}</code> &middot; Your IP address: <code>${escaped(address)}</code></small></p>
</html>
`;
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
