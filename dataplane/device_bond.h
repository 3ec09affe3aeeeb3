/*
 * Bonds: "net_bonding0,mode=1,slave=0000:3b:00.0,slave=(net_tap0,iface=x)". Members are devices
 * that are opened before the bond and closed after it. Control only; device*.c use it.
 */
#ifndef DATAPLANE_DEVICE_BOND_H
#define DATAPLANE_DEVICE_BOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DP_BOND_MEMBERS_MAX	 8
#define DP_BOND_MEMBER_BYTES_MAX 127
#define DP_BOND_NAME_BYTES_MAX	 31

/* Open members; n is 0 for a device that is no bond. */
struct dp_bond {
	uint16_t n;
	bool one_sends;	  /* active-backup */
	uint16_t primary; /* one is used whenever it has link: DPDK's id, or RTE_MAX_ETHPORTS */
	uint32_t look_every_ms; /* dp_bond_follow() is to be called so often */
	struct {
		uint16_t eth_id; /* DPDK's */
		bool made;	 /* by us, as in struct dp_device */
	} members[DP_BOND_MEMBERS_MAX];
};

/* What the operator wrote. */
struct dp_bond_wish {
	char name[DP_BOND_NAME_BYTES_MAX + 1];
	char members[DP_BOND_MEMBERS_MAX][DP_BOND_MEMBER_BYTES_MAX + 1]; /* as a device: */
	uint16_t n_members;
	bool has_primary; /* one is used whenever it has link */
	uint16_t primary; /* among members */
	uint8_t mode;
	uint8_t xmit_policy;
	bool has_mac;
	uint8_t mac[6];
	uint32_t poll_ms; /* how often links are looked at */
};

/* Whether a device is a bond by its name. */
bool dp_bond_named(const char *device);

/* 0, or -EINVAL with what is wrong in error. */
int dp_bond_parse(const char *device, struct dp_bond_wish *wish, char *error, size_t error_size);

/* Makes the bond of members that are open and not started, in the order of the wish. 0 and its id,
 * or -errno with what is wrong in error, and the bond undone (but not its members). */
int dp_bond_make(const struct dp_bond_wish *wish, struct dp_bond *bond, uint16_t *eth_id,
		 char *error, size_t error_size);

/* Whether any member has link. Has the bond send by one that has, for not all drivers tell it. */
bool dp_bond_follow(const struct dp_bond *bond, uint16_t eth_id);

/* Closes the members of a bond that is closed. */
void dp_bond_close_members(struct dp_bond *bond);

#endif
