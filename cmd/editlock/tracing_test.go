package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/editlock/editlock/wire"
)

// collector is where traces go.
func collector(t *testing.T) (url string, came chan []byte) {
	t.Helper()
	came = make(chan []byte, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		came <- body
	}))
	t.Cleanup(s.Close)
	return s.URL, came
}

// served runs a server with variables in its environment, has somebody acquire a lock, and stops it.
func served(t *testing.T, env []string, args ...string) *service {
	t.Helper()
	args = append([]string{"serve", "--drain=1s", "--listen=127.0.0.1:0", "--store=sqlite:" + filepath.Join(t.TempDir(), "locks.db")}, args...)
	s := started(t, command(context.Background(), append([]string{testKey, testSigning}, env...), args...))
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=secretive-user", "--name=Ana", "--right=edit:**")))
	next[*wire.OK](t, p, &wire.Acquire{ID: 2, Target: wire.Target{Resource: "secretive/42"}})
	_ = p.conn.NetConn().Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	return s
}

// Traces go where OpenTelemetry's own variables say, and name nobody and nothing unless that is asked for.
func TestTracesAreSent(t *testing.T) {
	url, came := collector(t)
	for _, c := range []struct {
		env, args []string
		named     bool
	}{
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url}, nil, false},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + url + "/v1/traces", "OTEL_SERVICE_NAME=locks-of-the-shop"}, []string{"--trace-resources", "--admin-listen=127.0.0.1:0"}, true},
	} {
		served(t, c.env, c.args...)
		var all []byte
		for len(came) > 0 {
			all = append(all, <-came...)
		}
		service := "editlock"
		if c.named {
			service = "locks-of-the-shop"
		}
		for _, says := range []string{"acquire", "hello", "store write", "editlock.transport", "service.name", service} {
			if !bytes.Contains(all, []byte(says)) {
				t.Errorf("%v: %d bytes came, and %q is not in them", c.env, len(all), says)
			}
		}
		if bytes.Contains(all, []byte("secretive/42")) != c.named || bytes.Contains(all, []byte("secretive-user")) {
			t.Errorf("%v %v: a name is in the traces, or one that was asked for is not", c.env, c.args)
		}
	}
}

func TestNoTracesUnlessAskedFor(t *testing.T) {
	url, came := collector(t)
	for _, env := range [][]string{
		nil, {"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_SDK_DISABLED=true"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_TRACES_EXPORTER=none"},
	} {
		if s := served(t, env); strings.Contains(s.said(), "traces") || len(came) > 0 {
			t.Errorf("%v: %d requests came\n%s", env, len(came), s.said())
		}
	}
	for env, says := range map[string]string{
		"OTEL_TRACES_EXPORTER=zipkin":                                            "zipkin",
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc":             "http/protobuf",
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json": "http/protobuf",
	} {
		status, _, stderr := run(t, append([]string{testKey, testSigning}, strings.Fields(env)...),
			"serve", "--listen=127.0.0.1:0", "--store=sqlite:"+filepath.Join(t.TempDir(), "locks.db"))
		if status == 0 || !strings.Contains(stderr, says) {
			t.Errorf("%s: status %d, and it does not say %s:\n%s", env, status, says, stderr)
		}
	}
}
