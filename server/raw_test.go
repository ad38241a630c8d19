package server_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// raw is a client that writes whatever bytes it likes.
type raw struct {
	testing.TB
	net.Conn
	br *bufio.Reader
}

func (w *world) rawDial() *raw {
	w.Helper()
	c, err := net.DialTimeout("tcp", w.addr, patience)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return newRaw(w.TB, c)
}

func newRaw(t testing.TB, c net.Conn) *raw { return &raw{t, c, bufio.NewReader(c)} }

func (w *world) rawSocket() *raw {
	w.Helper()
	r := w.rawDial()
	resp := r.request("GET /v1/socket HTTP/1.1\r\nHost: " + w.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n\r\n")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		w.Fatalf("handshake: %s", resp.Status)
	}
	return r
}

func (r *raw) request(text string) *http.Response {
	r.Helper()
	if _, err := io.WriteString(r, text); err != nil {
		r.Fatal(err)
	}
	resp, err := http.ReadResponse(r.br, nil)
	if err != nil {
		r.Fatalf("no answer: %v", err)
	}
	return resp
}

// frame makes a masked frame of a first byte and a payload.
func frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

const (
	textFrame   = 0x81
	binaryFrame = 0x82
	pingFrame   = 0x89
	fin         = 0x80
)

// readFrame reads one frame from the server.
func (r *raw) readFrame() (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(r.br, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(r.br, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(r.br, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r.br, payload)
	return head[0], payload, err
}

// wantClose reads on until the server closes, and wants a code.
func (r *raw) wantClose(code uint16) {
	r.Helper()
	for {
		first, payload, err := r.readFrame()
		if err != nil {
			r.Fatalf("the connection ended without a close frame: %v", err)
		}
		if first == fin|8 {
			if len(payload) < 2 {
				r.Fatal("closed without a code")
			}
			if got := binary.BigEndian.Uint16(payload); got != code {
				r.Fatalf("closed with %d (%s), want %d", got, payload[2:], code)
			}
			return
		}
	}
}
