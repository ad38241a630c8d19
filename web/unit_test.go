package web_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/editlock/editlock/web"
)

// esbuild runs the bundler that go.mod of tools names.
func esbuild(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"tool", "-modfile=../tools/go.mod", "esbuild", "--log-level=warning"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("esbuild %v: %v\n%s", args, err, out)
	}
}

// The unit tests of the pure parts, in web/test, run in the browser that they are written for.
func TestUnits(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "unit.js")
	esbuild(t, "test/unit.ts", "--bundle", "--format=iife", "--charset=utf8", "--outfile="+bundle)
	source, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/unit.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(source)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><script src="/unit.js"></script>`))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	tab := chrome.Page(t)
	tab.Open(srv.URL)
	var results []struct {
		Name  string
		Error *string
	}
	if err := json.Unmarshal([]byte(tab.Text(`window.results.then(r => JSON.stringify(r))`)), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) < 100 {
		t.Errorf("only %d unit tests ran", len(results))
	}
	for _, result := range results {
		t.Run(result.Name, func(t *testing.T) {
			if result.Error != nil {
				t.Error(*result.Error)
			}
		})
	}
}

// What is committed in dist is what the sources give.
func TestDistIsBuilt(t *testing.T) {
	source, err := os.ReadFile("web.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	built := 0
	for _, line := range strings.Split(string(source), "\n") {
		args, ok := strings.CutPrefix(line, "//go:generate go tool -modfile=../tools/go.mod esbuild ")
		if !ok {
			continue
		}
		args, out, _ := strings.Cut(args, " --outfile=dist/")
		esbuild(t, append(strings.Fields(args), "--outfile="+filepath.Join(dir, out))...)
		want, err := os.ReadFile(filepath.Join(dir, out))
		if err != nil {
			t.Fatal(err)
		}
		got, err := web.Dist.ReadFile("dist/" + out)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("dist/%s is not what the sources give: run go generate ./web", out)
		}
		built++
	}
	if built != 4 {
		t.Errorf("built %d files", built)
	}
	types, err := fs.Glob(web.Dist, "dist/types/*.d.ts")
	if err != nil || len(types) == 0 {
		t.Errorf("no type declarations: %v", err)
	}
}

func TestHandler(t *testing.T) {
	get := func(method, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		web.Handler().ServeHTTP(w, r)
		return w
	}
	plain := get("GET", "/editlock/editlock.js")
	h := plain.Header()
	if plain.Code != 200 || h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Cache-Control") != "no-cache" || h.Get("ETag") == "" {
		t.Errorf("%d %v", plain.Code, h)
	}
	zipped := get("GET", "/editlock/editlock.js", "Accept-Encoding", "br, gzip;q=0.8")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len()*2 > plain.Body.Len() || zipped.Header().Get("ETag") == h.Get("ETag") {
		t.Errorf("compressed: %d of %d bytes, %v", zipped.Body.Len(), plain.Body.Len(), zipped.Header())
	}
	if none := get("GET", "/x/editlock.js", "Accept-Encoding", "gzip;q=0"); none.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for somebody who does not take it")
	}
	if again := get("GET", "/editlock/editlock.js", "If-None-Match", h.Get("ETag")); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("unchanged: %d, %d bytes", again.Code, again.Body.Len())
	}
	for path, code := range map[string]int{"/editlock.classic.js": 200, "/index.js": 200, "/types": 404, "/": 404, "/../web.go": 404} {
		if got := get("GET", path).Code; got != code {
			t.Errorf("%s: %d", path, got)
		}
	}
	if post := get("POST", "/editlock.js"); post.Code != 405 || post.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", post.Code)
	}
}

// The page as a whole works without modules too.
func TestClassicScript(t *testing.T) {
	p := newPeer(t)
	tab := chrome.Page(t)
	tab.Open(p.page("/", `<!doctype html><script src="/editlock/editlock.classic.js"></script>
<edit-lock resource="article/42">`+form+`</edit-lock><script>window.lock = editlock.open("article/42")</script>`))
	tab.Wait(state("held"))
	tab.Wait(is("held"))
}

// A server that renders pages imports what its pages import, and has no document. A worker has none either.
func TestImportWithoutDocument(t *testing.T) {
	p := newPeer(t)
	p.serve("/worker.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, `Promise.all(["index", "define", "editlock"].map(file => import("/editlock/" + file + ".js"))).then(
			all => postMessage(all.map(({ editlock, EditLockElement }) => typeof editlock.open + " " + typeof EditLockElement).join()
				+ " " + ("window" in self || "HTMLElement" in self || "editlock" in self)),
			error => postMessage(String(error)))`)
	})
	tab := chrome.Page(t)
	tab.Open(p.page("/", `<!doctype html>`))
	got := tab.Text(`new Promise(done => { new Worker("/worker.js", { type: "module" }).onmessage = ({ data }) => done(data) })`)
	if got != "function function,function function,function function false" {
		t.Error(got)
	}
}
