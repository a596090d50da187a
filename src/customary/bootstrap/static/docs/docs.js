"use strict";
// Starts Swagger UI on the document that the page names. Nothing here asks another host for anything.

// OpenAPI ignores a header parameter named Authorization; it stands in the document because it stands in the
// vendor's. Swagger UI would still demand a value for it before it sends a request, so it is not shown.
const withoutAuthorizationParameter = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (document) => {
          const shown = structuredClone(document);
          for (const path of Object.values(shown.paths ?? {})) {
            for (const operation of Object.values(path)) {
              operation.parameters = operation.parameters?.filter((one) => one.name !== "Authorization");
            }
          }
          return update(shown);
        },
      },
    },
  },
});

SwaggerUIBundle({
  url: document.body.dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  tryItOutEnabled: document.body.dataset.signed === undefined,
  supportedSubmitMethods: document.body.dataset.signed === undefined ? ["get", "post"] : [],
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  showExtensions: true,
  // Cookies stay at home, and a 401 does not make the browser ask for a password of its own.
  requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
  plugins: [withoutAuthorizationParameter],
});
