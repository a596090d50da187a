"use strict";
// Starts Swagger UI on the document that the page names. Nothing here asks another host for anything, and
// credentials live in this page alone: they are gone when it is left.

// The document is shown with two differences, both for what it owes to the vendor's. OpenAPI ignores a header
// parameter named Authorization, but Swagger UI would demand a value for it before it sends a request: it is
// left out. And a tag whose name is for programs is headed by its name for people.
const forPeople = (document) => {
  const shown = structuredClone(document);
  const named = new Map(shown.tags.map((tag) => [tag.name, tag["x-displayName"] ?? tag.name]));
  for (const tag of shown.tags) {
    tag.name = named.get(tag.name);
    delete tag["x-displayName"];
  }
  for (const path of Object.values(shown.paths)) {
    for (const operation of Object.values(path)) {
      operation.tags = operation.tags.map((name) => named.get(name));
      if (operation.parameters) {
        operation.parameters = operation.parameters.filter((one) => one.name !== "Authorization");
      }
    }
  }
  return shown;
};

const shownForPeople = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (document) => update(forPeople(document)),
      },
    },
  },
});

// Swagger UI knows Basic and Bearer. Hawk is asked for in the form that Basic has, a name and a secret; the
// other way to sign is only described, because one is enough to try things out.
const HAWK_FORM =
  "**Username: the id of a key. Password: its secret.** This page signs each request with them; the secret is " +
  "not sent.";

const signedSchemes = () => ({
  wrapComponents: {
    HttpAuth: (Original, { React, getComponent }) => (properties) => {
      const scheme = properties.schema.get("scheme");
      if (scheme === "hawk") {
        const schema = properties.schema
          .set("scheme", "basic")
          .update("description", (text) => `${HAWK_FORM}\n\n${text}`);
        return React.createElement(Original, { ...properties, schema });
      }
      if (scheme === "hmac-sha256") {
        return React.createElement(
          "div",
          null,
          React.createElement("h4", null, React.createElement("code", null, properties.name)),
          React.createElement(getComponent("Markdown", true), { source: properties.schema.get("description") }),
        );
      }
      return React.createElement(Original, properties);
    },
  },
});

const encoder = new TextEncoder();
const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));

// The Authorization header of one request, signed with Hawk as the document describes it.
async function hawkHeader(keyId, secret, method, address) {
  if (crypto.subtle === undefined) throw new Error("A browser signs only over https, or on the server's machine");
  const url = new URL(address, location.href);
  const ts = String(Math.floor(Date.now() / 1000));
  const nonce = base64(crypto.getRandomValues(new Uint8Array(9)));
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const lines = ["hawk.1.header", ts, nonce, method.toUpperCase(), url.pathname + url.search];
  const text = [...lines, url.hostname.toLowerCase(), port, "", "", ""].join("\n");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  const mac = base64(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
  return `Hawk id="${keyId}", ts="${ts}", nonce="${nonce}", mac="${mac}"`;
}

async function prepared(request) {
  // Cookies stay at home, and a 401 does not make the browser ask for a password of its own.
  request.credentials = "omit";
  if (request.loadSpec) return request; // comes while Swagger UI is being made, before there is a ui to ask
  const hawk = ui.authSelectors.authorized()?.getIn(["Hawk", "value"])?.toJS?.();
  if (hawk !== undefined) {
    request.headers.Authorization = await hawkHeader(hawk.username, hawk.password, request.method, request.url);
  }
  return request;
}

const ui = SwaggerUIBundle({
  url: document.body.dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: true,
  supportedSubmitMethods: ["get", "post", "put"],
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  showExtensions: true,
  requestInterceptor: prepared,
  plugins: [shownForPeople, signedSchemes],
});
