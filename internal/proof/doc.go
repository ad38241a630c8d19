// Package proof holds no code but tests: what editlock promises, shown on real processes, real sockets and a real
// data file, beside what the usual design does in the same place.
package proof
