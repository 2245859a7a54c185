"""Rows made up in the official layouts of public data sets, by the name of the reader."""

LAYOUTS: dict[str, dict[str, str | bytes]] = {
    "rees46": {
        "2019-Oct.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:10 UTC,cart,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:20 UTC,remove_from_cart,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:01 UTC,view,3900821,2053013552,appliances.environment,aqua,33.20,554748717,9333dfbd\n",
        "2019-Nov.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-11-01 00:00:00 UTC,purchase,3900821,2053013552,appliances.environment,aqua,30.00,554748717,abcd\n",
    },
    "taobao": {
        "UserBehavior.csv": "1,2268318,2520377,pv,1511544070\n1,2268318,2520377,cart,1511544080\n"
        "1,2333346,2520771,fav,1511561733\n100,2268318,2520377,buy,1512316799\n100,7,2520377,pv,1512316800\n"
        "100,7,2520377,pv,-1\n",
    },
    "hm": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a12d5b43e6,0663713001,0.0508,2\n2018-09-20,000058a12d5b43e6,0663713001,0.0508,2\n"
        "2018-09-21,000058a12d5b43e6,0541518023,0.0305,2\n2018-09-20,00007d2de826758b,0505221004,0.0152,1\n",
        "articles.csv": "article_id,product_code,prod_name,product_type_name,product_group_name,detail_desc\n"
        '0663713001,0663713,Atlanta,Underwear body,Underwear,"Lace, soft."\n'
        "0541518023,0541518,Rae,Bra,Underwear,\n0505221004,0505221,Inca,Sweater,Garment Upper body,Jumper\n",
    },
    "microlens": {
        "MicroLens-100k_pairs.csv": "user,item,timestamp\n36121,9580,1662984066528\n36121,8121,1662984066600\n"
        "7,9580,1583378629552\n",
    },
}
