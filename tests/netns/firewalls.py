# SPDX-License-Identifier: LGPL-2.1-or-later
"""What well-known firewalls of hosts look like, in the words of nft(8)"""

DOCKER = """
add table ip filter
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
add chain ip filter DOCKER-USER
add chain ip filter DOCKER-FORWARD
add rule ip filter FORWARD counter jump DOCKER-USER
add rule ip filter FORWARD counter jump DOCKER-FORWARD
add rule ip filter DOCKER-FORWARD oifname docker0 ct state established,related counter accept
add rule ip filter DOCKER-FORWARD iifname docker0 accept
add rule ip filter DOCKER-FORWARD iifname { "br-*", "virbr0" } oifname != docker0 accept
add rule ip filter DOCKER-USER counter return
"""
UFW = """
add table ip filter
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
add chain ip filter ufw-before-forward
add chain ip filter ufw-user-forward
add rule ip filter FORWARD counter jump ufw-before-forward
add rule ip filter ufw-before-forward ct state established,related counter accept
add rule ip filter ufw-before-forward jump ufw-user-forward
"""
FIREWALLD = """
add table inet firewalld
add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }
add chain inet firewalld filter_FWD_public
add rule inet firewalld filter_FORWARD ct state { established, related } accept
add rule inet firewalld filter_FORWARD ct status dnat accept
add rule inet firewalld filter_FORWARD iifname lo accept
add rule inet firewalld filter_FORWARD ct state invalid drop
add rule inet firewalld filter_FORWARD iifname vmap { e0 : goto filter_FWD_public }
add rule inet firewalld filter_FORWARD reject with icmpx type admin-prohibited
"""
