/*
 * The other libraries that wgdp-bench compares the burst AEAD with: ipsec-mb called directly,
 * libsodium and OpenSSL. Not the product's back ends: those are in crypto/.
 */
#include "bench/crypto_peers.h"

#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <sodium.h>

/* ---- ipsec-mb ---- */

struct raw {
	IMB_MGR *mgr;
	uint8_t tags[CR_BURST_MAX][CR_TAG_BYTES]; /* the right ones, when opening */
};

static void raw_close(void *state)
{
	struct raw *s = state;

	if (s->mgr)
		free_mb_mgr(s->mgr);
	free(s);
}

static void *raw_open(const uint8_t (*keys)[CR_KEY_BYTES])
{
	struct raw *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mgr = alloc_mb_mgr(0);
	if (s->mgr)
		init_mb_mgr_auto(s->mgr, NULL);
	if (s->mgr && imb_get_errno(s->mgr) == 0)
		return s;
	raw_close(s);
	return NULL;
}

static inline void fill_job(IMB_JOB *job, const struct cr_packet *p, const uint8_t *nonce,
			    uint8_t *tag)
{
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->enc_keys = p->key;
	job->dec_keys = p->key;
	job->key_len_in_bytes = CR_KEY_BYTES;
	job->iv = nonce;
	job->iv_len_in_bytes = PEER_NONCE_BYTES;
	job->u.CHACHA20_POLY1305.aad = NULL;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->src = p->src;
	job->dst = p->dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = p->len_bytes;
	job->msg_len_to_hash_in_bytes = p->len_bytes;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = CR_TAG_BYTES;
}

/* The library does such jobs at once, so that none is left to flush. */
static bool raw_submit(struct raw *s, IMB_JOB **jobs, unsigned int n)
{
	bool right = IMB_SUBMIT_BURST_NOCHECK(s->mgr, n, jobs) == n;

	for (unsigned int i = 0; right && i < n; i++)
		right = jobs[i]->status == IMB_STATUS_COMPLETED;
	return right;
}

static bool raw_seal(void *state, const struct aead_load *load)
{
	struct raw *s = state;
	IMB_JOB *jobs[CR_BURST_MAX];

	if (IMB_GET_NEXT_BURST(s->mgr, load->n, jobs) != load->n)
		return false;
	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];

		fill_job(jobs[i], p, load->nonces[i], p->dst + p->len_bytes);
		jobs[i]->cipher_direction = IMB_DIR_ENCRYPT;
		jobs[i]->chain_order = IMB_ORDER_CIPHER_HASH;
	}
	return raw_submit(s, jobs, load->n);
}

static bool raw_unseal(void *state, const struct aead_load *load)
{
	struct raw *s = state;
	IMB_JOB *jobs[CR_BURST_MAX];
	bool right;

	if (IMB_GET_NEXT_BURST(s->mgr, load->n, jobs) != load->n)
		return false;
	for (unsigned int i = 0; i < load->n; i++) {
		fill_job(jobs[i], &load->packets[i], load->nonces[i], s->tags[i]);
		jobs[i]->cipher_direction = IMB_DIR_DECRYPT;
		jobs[i]->chain_order = IMB_ORDER_HASH_CIPHER;
	}
	right = raw_submit(s, jobs, load->n);
	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];

		right &= memcmp(s->tags[i], p->src + p->len_bytes, CR_TAG_BYTES) == 0;
	}
	return right;
}

const struct aead_peer peer_ipsec_mb_raw = {"ipsec-mb-raw", raw_open, raw_close, raw_seal,
					    raw_unseal};

/* ---- libsodium ---- */

static void *sodium_open(const uint8_t (*keys)[CR_KEY_BYTES])
{
	static char state;

	return sodium_init() >= 0 ? &state : NULL;
}

static void sodium_close(void *state)
{
}

static bool sodium_seal(void *state, const struct aead_load *load)
{
	bool right = true;

	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];

		right &= crypto_aead_chacha20poly1305_ietf_encrypt(p->dst, NULL, p->src,
								   p->len_bytes, NULL, 0, NULL,
								   load->nonces[i], p->key) == 0;
	}
	return right;
}

static bool sodium_unseal(void *state, const struct aead_load *load)
{
	bool right = true;

	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];

		right &= crypto_aead_chacha20poly1305_ietf_decrypt(
				 p->dst, NULL, NULL, p->src, p->len_bytes + CR_TAG_BYTES, NULL, 0,
				 load->nonces[i], p->key) == 0;
	}
	return right;
}

const struct aead_peer peer_libsodium = {"libsodium", sodium_open, sodium_close, sodium_seal,
					 sodium_unseal};

/* ---- OpenSSL ---- */

struct evp {
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *seal[CR_BURST_MAX], *unseal[CR_BURST_MAX];
};

static void evp_close(void *state)
{
	struct evp *s = state;

	for (unsigned int i = 0; i < CR_BURST_MAX; i++) {
		EVP_CIPHER_CTX_free(s->seal[i]);
		EVP_CIPHER_CTX_free(s->unseal[i]);
	}
	EVP_CIPHER_free(s->cipher);
	free(s);
}

static void *evp_open(const uint8_t (*keys)[CR_KEY_BYTES])
{
	struct evp *s = calloc(1, sizeof(*s));
	bool right;

	if (!s)
		return NULL;
	s->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	right = s->cipher != NULL;
	for (unsigned int i = 0; right && i < CR_BURST_MAX; i++) {
		s->seal[i] = EVP_CIPHER_CTX_new();
		s->unseal[i] = EVP_CIPHER_CTX_new();
		right = s->seal[i] && s->unseal[i] &&
			EVP_EncryptInit_ex(s->seal[i], s->cipher, NULL, keys[i], NULL) == 1 &&
			EVP_DecryptInit_ex(s->unseal[i], s->cipher, NULL, keys[i], NULL) == 1;
	}
	if (right)
		return s;
	evp_close(s);
	return NULL;
}

static bool evp_seal(void *state, const struct aead_load *load)
{
	struct evp *s = state;
	bool right = true;
	int len;

	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];
		EVP_CIPHER_CTX *c = s->seal[load->keys[i]];

		right &= EVP_EncryptInit_ex(c, NULL, NULL, NULL, load->nonces[i]) == 1 &&
			 EVP_EncryptUpdate(c, p->dst, &len, p->src, (int)p->len_bytes) == 1 &&
			 EVP_EncryptFinal_ex(c, p->dst + len, &len) == 1 &&
			 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, CR_TAG_BYTES,
					     p->dst + p->len_bytes) == 1;
	}
	return right;
}

static bool evp_unseal(void *state, const struct aead_load *load)
{
	struct evp *s = state;
	bool right = true;
	int len;

	for (unsigned int i = 0; i < load->n; i++) {
		const struct cr_packet *p = &load->packets[i];
		EVP_CIPHER_CTX *c = s->unseal[load->keys[i]];

		right &= EVP_DecryptInit_ex(c, NULL, NULL, NULL, load->nonces[i]) == 1 &&
			 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, CR_TAG_BYTES,
					     (void *)(uintptr_t)(p->src + p->len_bytes)) == 1 &&
			 EVP_DecryptUpdate(c, p->dst, &len, p->src, (int)p->len_bytes) == 1 &&
			 EVP_DecryptFinal_ex(c, p->dst + len, &len) == 1;
	}
	return right;
}

const struct aead_peer peer_openssl = {"openssl", evp_open, evp_close, evp_seal, evp_unseal};
