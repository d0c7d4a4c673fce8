// Certificates of the test cluster: one authority in the data folder and everything it signs, and the
// kubeconfig files made of them. Kept between starts, so that a kubeconfig stays good over a restart.
// Never used outside tests: keys lie unencrypted beside their certificates.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/keyutil"
)

// internalName is the server name by which the cluster's own parts call the API server. It has a certificate
// of its own, so that a test may spoil the one that everybody else sees.
const internalName = "control-plane.internal"

type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// openAuthority reads the authority in dir, or makes one there.
func openAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := a.keyOf("ca")
	if err != nil {
		return nil, err
	}
	a.key = key
	if bytes, err := os.ReadFile(a.file("ca.crt")); err == nil {
		block, _ := pem.Decode(bytes)
		if block == nil {
			return nil, fmt.Errorf("%s holds no certificate", a.file("ca.crt"))
		}
		a.cert, err = x509.ParseCertificate(block.Bytes)
		return a, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "control-plane test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, writeWhole(a.file("ca.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// keyOf reads NAME.key, or makes it.
func (a *authority) keyOf(name string) (*ecdsa.PrivateKey, error) {
	if read, err := keyutil.PrivateKeyFromFile(a.file(name + ".key")); err == nil {
		if key, ok := read.(*ecdsa.PrivateKey); ok {
			return key, nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	return key, writeWhole(a.file(name+".key"), text)
}

// sign writes NAME.crt and NAME.key for this subject, good from `from` until `until`.
func (a *authority) sign(name string, subject pkix.Name, hosts []string, from, until time.Time) error {
	key, err := a.keyOf(name)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      subject,
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writeWhole(a.file(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// signForYears signs a certificate that is good for as long as any test data folder is kept.
func (a *authority) signForYears(name string, subject pkix.Name, hosts ...string) error {
	return a.sign(name, subject, hosts, time.Now().Add(-time.Hour), time.Now().AddDate(5, 0, 0))
}

// signServer writes the certificate that callers from outside see. Skew moves its life as a wrong clock of the
// caller would: positive seconds make it "not yet valid", negative ones "expired", zero is right.
func (a *authority) signServer(skew time.Duration) error {
	from, until := time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	if skew > 0 {
		from = time.Now().Add(skew)
	}
	if skew < 0 {
		from, until = time.Now().Add(skew-24*time.Hour), time.Now().Add(skew)
	}
	hosts := []string{"127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	return a.sign("apiserver", pkix.Name{CommonName: "kube-apiserver"}, hosts, from, until)
}

// identity makes a client certificate and returns how to call the API server with it.
func (a *authority) identity(server, name, user string, groups ...string) (*rest.Config, error) {
	if err := a.signForYears(name, pkix.Name{CommonName: user, Organization: groups}); err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: server,
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: internalName,
			CAFile:     a.file("ca.crt"),
			CertFile:   a.file(name + ".crt"),
			KeyFile:    a.file(name + ".key"),
		},
		QPS:   200,
		Burst: 400,
	}, nil
}

// writeKubeconfig writes a kubeconfig for an identity. Those for use outside carry all data in the file and see
// the outer certificate.
func writeKubeconfig(path string, config *rest.Config, outside bool) error {
	out := clientcmdapi.NewConfig()
	cluster := clientcmdapi.NewCluster()
	cluster.Server = config.Host
	user := clientcmdapi.NewAuthInfo()
	if outside {
		for file, data := range map[string]*[]byte{
			config.CAFile:   &cluster.CertificateAuthorityData,
			config.CertFile: &user.ClientCertificateData,
			config.KeyFile:  &user.ClientKeyData,
		} {
			bytes, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			*data = bytes
		}
	} else {
		cluster.TLSServerName = config.ServerName
		cluster.CertificateAuthority = config.CAFile
		user.ClientCertificate, user.ClientKey = config.CertFile, config.KeyFile
	}
	context := clientcmdapi.NewContext()
	context.Cluster, context.AuthInfo = "autochrome-test", "admin"
	out.Clusters["autochrome-test"], out.AuthInfos["admin"] = cluster, user
	out.Contexts["autochrome-test"], out.CurrentContext = context, "autochrome-test"
	text, err := clientcmd.Write(*out)
	if err != nil {
		return err
	}
	return writeWhole(path, text)
}

// writeWhole puts a file in place in one step, readable by its owner only.
func writeWhole(path string, bytes []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", bytes, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
