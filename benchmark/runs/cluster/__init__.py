"""Jobs on the nodes of a Ray cluster: needs, software, parcels, carriers; `rim` alone knows Ray."""
