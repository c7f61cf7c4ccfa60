// Package substitute makes images of nginx and Prometheus from Debian's
// packages, for docker-compose.yml where no registry can be reached.
//
// Invariants:
//   - No package is installed, since that would start servers on this machine:
//     it is downloaded and unpacked into a git-ignored folder, once.
//   - An image holds one program and the libraries that it is linked with. It is
//     used like the official one: the program is on PATH and is the entry point,
//     and Prometheus runs as the user nobody, who owns the folder of its data.
//   - An image that the environment names is used unchanged.
package substitute
