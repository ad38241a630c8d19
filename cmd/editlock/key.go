package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"

	"github.com/editlock/editlock/wire"
)

// howToMake is said whenever a key is missing or no good.
const howToMake = "Make one by `editlock key > FILE`, or by `openssl rand -base64 48 > FILE`"

type keyCmd struct{}

func (keyCmd) Help() string {
	return "Prints 48 random bytes in base64. Put them into a file that only the service can read, and name the file by --key-file or --signing-key-file."
}

func (keyCmd) Run() error {
	b := make([]byte, 48)
	_, _ = rand.Read(b) // never fails
	fmt.Println(base64.StdEncoding.EncodeToString(b))
	return nil
}

// keySource is where a key comes from: a file, or else the environment. Never the command line, which every user of the
// machine can read.
type keySource struct {
	what string // "the access key"
	path string // of the file; empty: none was named
	flag string // that names the file
	env  string // the variable that holds the key itself
}

func accessKey(path string) keySource {
	return keySource{what: "the access key", path: path, flag: "--key-file", env: "EDITLOCK_KEY"}
}

func signingKey(path string) keySource {
	return keySource{what: "the signing key", path: path, flag: "--signing-key-file", env: "EDITLOCK_SIGNING_KEY"}
}

// read returns the key, or says what is wrong with it and what to do.
func (s keySource) read() (*wire.Key, error) {
	text, where := []byte(os.Getenv(s.env)), s.env
	if s.path != "" {
		where = s.path
		var err error
		if text, err = os.ReadFile(s.path); err != nil {
			return nil, fmt.Errorf("%s: %w. %s", s.what, err, howToMake)
		}
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0 && s.path == "":
		return nil, fmt.Errorf("%s is missing. %s, and say %s FILE; or put the key itself into the environment as %s", s.what, howToMake, s.flag, s.env)
	case len(text) == 0:
		return nil, fmt.Errorf("%s in %s is empty. %s", s.what, where, howToMake)
	}
	key, err := wire.ParseKey("", text)
	if err != nil {
		return nil, fmt.Errorf("%s in %s is no good: %w. %s", s.what, where, err, howToMake)
	}
	return key, nil
}
