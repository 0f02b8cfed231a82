import { defineConfig } from "vite";

// Addresses are relative, so that the page works below any path prefix (Jupyter, code-server, a reverse proxy).
export default defineConfig({
  base: "./",
  build: {
    outDir: "../lensd/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
